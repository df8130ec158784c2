"""Words that realistic records are made of."""

_FEMALE = (
    "Maria Olivia Emma Zoë Chloé Sofía Ana Grace Hannah Abigail Ruth Naomi Esther Lydia Priya Mei Aoife Siân Renée "
    "Inés Łucja Ngozi Amara Yuki Leilani Charlotte Margaret Dorothy Elizabeth Katherine Jing Fatima Björk Ágnes "
    "Thérèse Noémie Rebekah Miriam Tabitha Phoebe"
)
FEMALE = tuple(_FEMALE.split())
_MALE = (
    "James José Noah Liam André Søren Jürgen Paul Peter John Caleb Joshua Daniel David Samuel Elijah Micah Tomás "
    "Raúl François Bjørn Mikołaj Nguyên Chidi Kwame Kenji Arjun Wei Siôn Seán William Robert Thomas Charles Timothy "
    "Nathaniel Ezekiel Ólafur Håkon Zoltán"
)
MALE = tuple(_MALE.split())
_LAST = (
    "Smith Johnson Williams Brown Jones Garcia García Miller Davis Rodriguez Martinez Hernández López Wilson "
    "Anderson Thomas Taylor Moore Jackson Martin Lee Thompson White Harris Clark Lewis Robinson Walker Young Allen "
    "King Wright Scott Torres Nguyen Nguyễn Hill Flores Green Adams Nelson Baker Hall Rivera Campbell Mitchell "
    "Carter Roberts Müller Schröder Kowalski Wójcik Okafor Adeyemi Mensah Tanaka Suzuki Kim Park Choi Wang Zhang "
    "Patel Singh Østergaard Åberg Dvořák Novák Szabó Çelik O’Brien O'Connor MacLeod Fitzgerald Washington Jefferson"
)
LAST = (
    *_LAST.split(),
    "van der Berg",
    "de la Cruz",
    "St. James",
    "Smith-Jones",
)
NICKNAMES = ("Bobby", "Liz", "Ace", "Sunny ☀️", "Mimi", "JJ", "T-Bone", "Pepe", "Nana 💜", "Chip")
_STREETS = (
    "Main St,Oak Avenue,Maple Dr,Church Rd,Elm Street,Cedar Ln,Washington Blvd,Lake View Ct,2nd St NW,Old Mill Road,"
    "Calle Ocho,Peachtree Pl,Sunset Blvd,Riverside Dr,Highway 61,County Road 4 South"
)
STREETS = tuple(_STREETS.split(","))
SECOND_LINES = ("Apt 4", "Unit B", "PO Box 122", "c/o Zion Hall", "#1203")
CITIES = (
    ("Austin", "TX", "787", "US", "United States"),
    ("San José", "CA", "951", "US", "United States"),
    ("St. Paul", "MN", "551", "US", "United States"),
    ("Nashville", "TN", "372", "US", "United States"),
    ("Coeur d’Alene", "ID", "838", "US", "United States"),
    ("Springfield", "IL", "627", "US", "United States"),
    ("Cañon City", "CO", "812", "US", "United States"),
    ("Raleigh", "NC", "276", "US", "United States"),
    ("Toronto", "ON", "M5V", "CA", "Canada"),
    ("München", "BY", "803", "DE", "Germany"),
)
MAIL_HOSTS = ("example.com", "example.org", "mail.example.net", "church.example.org")
LOCATIONS = ("Home", "Work", "Other", "Mobile", "Vacation House")
MEMBERSHIPS = ("Member", "Regular Attender", "Visitor", "Former Member", "In Process")
CARRIERS = ("Verizon", "AT&T", "T-Mobile", "Boost")
SCHOOL_TYPES = ("elementary", "middle", "high")
NOTES = (
    "Allergic to peanuts. ",
    "Carries an EpiPen 💉. ",
    "Asthma; inhaler is in the blue bag. ",
    'Told the nurse: "no dairy" — ask Mum first. ',
    "Lactose intolerant.\n",
)
CAMPUSES = (
    ("North Campus", "Austin", "Texas", "78701", "30.2672", "-97.7431", "America/Chicago"),
    ("Downtown – Iglesia Bíblica", "San José", "California", "95110", "37.3382", "-121.8863", "America/Los_Angeles"),
    ("Online 🌐", None, None, None, None, None, "America/New_York"),
)
GROUP_NAMES = (
    "Young Adults",
    "Men’s Breakfast ☕",
    "Moms & Littles",
    "Grief Share",
    "Café Théologique",
    "Tuesday Small Group",
    "Alpha",
    "Youth – 7th & 8th",
    "Prayer 🙏 Team",
    "Financial Peace",
)
EVENT_NAMES = ("Weekly Meeting", "Potluck", "Bible Study", "Service Day", "Christmas Party 🎄", "Prayer Night")
SCHEDULES = ("Weekly on Tuesday @ 7pm", "Monthly on the 1st Sunday", "Every other Friday @ 6:30am", None)
LOREM = "The record holds a longer text so that nothing in the way of it may cut it short. "
